// Who may do what: the least that each app needs. People who swap and release are given their roles by hand (docs/deploy.md).
param suffix string
param gatewayPrincipalId string
param inferencePrincipalId string
param storageName string
param cosmosName string
param registryName string
param inferenceSite string
param insightsName string
// Who deploys; blank: nobody.
param deployerId string
param deployerType string
// Whether the console may swap: releasers do it then by the app's identity, each in the audit log.
param consoleSwaps bool
// Whether models are trained here.
param training bool
param trainingPrincipalId string

var roles = {
  blobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  queueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  registryPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  registryPush: '8311e382-0749-4cb8-b61a-304f252e45ec'
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: storage
  name: 'default'
}

resource models 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: 'models'
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' existing = {
  name: cosmosName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: inferenceSite
}

// The functions host keeps locks, leases and keys in blobs; that takes ownership of the data, not of the account.
resource gatewayBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage
  name: guid(storage.id, gatewayPrincipalId, roles.blobDataOwner)
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobDataOwner)
  }
}

resource gatewayQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage
  name: guid(storage.id, gatewayPrincipalId, roles.queueDataContributor)
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.queueDataContributor)
  }
}

// Reads manifests and configs of what it stages.
resource gatewayRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, gatewayPrincipalId, roles.registryPull)
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.registryPull)
  }
}

resource gatewayMetrics 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, gatewayPrincipalId, roles.metricsPublisher)
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
  }
}

resource inferenceRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, inferencePrincipalId, roles.registryPull)
  properties: {
    principalId: inferencePrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.registryPull)
  }
}

resource inferenceModels 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: models
  name: guid(models.id, inferencePrincipalId, roles.blobDataReader)
  properties: {
    principalId: inferencePrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobDataReader)
  }
}

// Data of the database, not its containers: those are made here in Bicep.
resource gatewayData 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = {
  parent: cosmos
  name: guid(cosmos.id, gatewayPrincipalId, 'data')
  properties: {
    principalId: gatewayPrincipalId
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'
    scope: '${cosmos.id}/dbs/maru'
  }
}

// Trains and pushes, where that is asked for: it may write images, and neither stage nor swap them.
resource trainingBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (training) {
  scope: storage
  name: guid(storage.id, trainingPrincipalId, roles.blobDataOwner)
  properties: {
    principalId: trainingPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobDataOwner)
  }
}

resource trainingQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (training) {
  scope: storage
  name: guid(storage.id, trainingPrincipalId, roles.queueDataContributor)
  properties: {
    principalId: trainingPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.queueDataContributor)
  }
}

resource trainingRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (training) {
  scope: registry
  name: guid(registry.id, trainingPrincipalId, roles.registryPush)
  properties: {
    principalId: trainingPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.registryPush)
  }
}

resource trainingMetrics 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (training) {
  scope: insights
  name: guid(insights.id, trainingPrincipalId, roles.metricsPublisher)
  properties: {
    principalId: trainingPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
  }
}

resource trainingData 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = if (training) {
  parent: cosmos
  name: guid(cosmos.id, trainingPrincipalId, 'data')
  properties: {
    principalId: trainingPrincipalId
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'
    scope: '${cosmos.id}/dbs/maru'
  }
}

// Owning a subscription is no right to its data: releases are pushed to the registry and recorded in the database.
resource deployerRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerId)) {
  scope: registry
  name: guid(registry.id, deployerId, roles.registryPush)
  properties: {
    principalId: deployerId
    principalType: deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.registryPush)
  }
}

resource deployerData 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = if (!empty(deployerId)) {
  parent: cosmos
  name: guid(cosmos.id, deployerId, 'data')
  properties: {
    principalId: deployerId
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'
    scope: '${cosmos.id}/dbs/maru'
  }
}

// May see both slots and give the staging slot an image. May not swap, and may not touch production.
resource stager 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'maru-stager')
  properties: {
    roleName: 'Maru stager ${suffix}'
    description: 'Reads the slots of the model server, gives the staging slot an image and reads its log.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: [
          'Microsoft.Web/sites/read'
          'Microsoft.Web/sites/config/read'
          'Microsoft.Web/sites/slots/read'
          'Microsoft.Web/sites/slots/config/read'
          'Microsoft.Web/sites/slots/config/write'
          'Microsoft.Web/sites/slots/containerlogs/action'
        ]
        notActions: []
      }
    ]
  }
}

resource gatewayStager 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: site
  name: guid(site.id, gatewayPrincipalId, 'maru-stager')
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: stager.id
  }
}

// Swaps for releasers in the console, where that is asked for: each is in the audit log.
resource swapper 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (consoleSwaps) {
  name: guid(resourceGroup().id, 'maru-swapper')
  properties: {
    roleName: 'Maru swapper ${suffix}'
    description: 'Swaps the slots of the model server.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: [
          'Microsoft.Web/sites/slotsswap/action'
          'Microsoft.Web/sites/slots/slotsswap/action'
          'Microsoft.Web/sites/operationresults/read'
          'Microsoft.Web/sites/slots/operationresults/read'
        ]
        notActions: []
      }
    ]
  }
}

resource gatewaySwapper 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (consoleSwaps) {
  scope: site
  name: guid(site.id, gatewayPrincipalId, 'maru-swapper')
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: swapper.id
  }
}
