// One identity an app: what each may do stands in access.bicep.
param suffix string
param location string
param tags object

resource gateway 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-gateway-${suffix}'
  location: location
  tags: tags
}

resource inference 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-inference-${suffix}'
  location: location
  tags: tags
}

resource training 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-training-${suffix}'
  location: location
  tags: tags
}

output gatewayId string = gateway.id
output gatewayClientId string = gateway.properties.clientId
output gatewayPrincipalId string = gateway.properties.principalId
output inferenceId string = inference.id
output inferenceClientId string = inference.properties.clientId
output inferencePrincipalId string = inference.properties.principalId
output trainingId string = training.id
output trainingClientId string = training.properties.clientId
output trainingPrincipalId string = training.properties.principalId
