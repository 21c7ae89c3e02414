// The whole of Maru in one resource group. Deployed by azd (azure.yaml): azd up.
targetScope = 'subscription'

@description('Name of the azd environment: part of every name.')
@minLength(2)
@maxLength(20)
param environmentName string

@description('Region of everything but the bot registration, which is global.')
param location string

@description('Size of the plan that runs the models; slots need Standard or Premium.')
@allowed(['S1', 'P0v3', 'P1v3', 'P2v3'])
param inferenceSku string = 'P0v3'

@description('Instances of the model server.')
@minValue(1)
@maxValue(30)
param inferenceInstances int = 1

@description('Most instances of the gateway.')
@minValue(40)
@maxValue(1000)
param gatewayMaxInstances int = 100

@description('Memory of each instance of the gateway, MB.')
@allowed([512, 2048, 4096])
param gatewayMemory int = 2048

@description('Whether the model server answers the public network, where inferenceKey is set; otherwise only the gateway and allowedAddresses.')
param publicInference bool = false

@description('CIDR ranges that may reach the model server beside the gateway, separated by commas: of who swaps releases.')
param allowedAddresses string = ''

@description('What who asks the model server must show, 16 characters or more; blank: nothing, and it is closed to the public network.')
@secure()
param inferenceKey string = ''

@description('Images that the slots run, as registry/repository@sha256:…; blank: a placeholder until the first release. The hook before a deployment sets them to what is live, so that a deployment never undoes a release.')
param productionImage string = ''
param stagingImage string = ''

@description('Address of the shop that orders and products are asked from.')
param shopUrl string

@description('The shop\'s public keys (a JSON Web Key Set) for tokens that say which customer a user is; blank: everybody is a guest.')
param shopSigningKeys string = ''

@description('Where the chat page asks the shop for such a token; blank: it does not.')
param shopCustomerTokenUrl string = ''

@description('Origins that may show the chat page in a frame, separated by commas; blank: none.')
param chatFrameAncestors string = ''

@description('Days that a conversation stays after its last turn.')
@minValue(1)
@maxValue(3650)
param conversationDays int = 90

@description('Days that a user stays after the last conversation: at least as long as that.')
@minValue(1)
@maxValue(3650)
param userDays int = 400

@description('Days that turns stay in the call log.')
@minValue(1)
@maxValue(3650)
param callLogDays int = 90

@description('Where operators are told of releases: a Logic App or Teams workflow; blank: nowhere.')
@secure()
param operatorWebhookUrl string = ''

@description('Whether the bot takes Entra tokens alone. Off: the Direct Line secret of the chat page may then be refused.')
param disableBotLocalAuth bool = false

@description('Mail addresses that alerts go to, separated by commas.')
param alertEmails string = ''

@description('Who deploys, as azd knows them: may then release and see releases. Blank: nobody gets a role here.')
param principalId string = ''

@description('User, or ServicePrincipal for a pipeline.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

@description('What the registry sends to show that it is the registry. A new one with every deployment.')
@secure()
param webhookSecret string = newGuid()

@description('The app registration by which the staff signs in to the console (docs/deploy.md); empty: nobody can.')
param consoleClientId string = ''

@secure()
@description('What sessions of the console are sealed with, 32 characters or more. Empty: new with each deployment, which ends them.')
param consoleSessionKey string = ''

@secure()
param newSessionKey string = newGuid()

@description('App Service signs in for the console (Easy Auth), and not the app itself.')
param consoleEasyAuth bool = false
@description('Lets releasers swap the slots from the console, by the gateway\'s identity. Off, whoever has the right swaps by npm run swap.')
param consoleSwaps bool = false

@description('Whether models are trained in Azure: an app of its own, whose identity may push images to the registry.')
param training bool = false

@description('After how many new labels and changed utterances a training begins by itself; 0: only when somebody asks.')
@minValue(0)
@maxValue(100000)
param trainingAfter int = 20

@description('A time of day (03:30, in the bot\'s time zone) at which whatever was taught since is enough for a training; blank: none.')
param trainingAt string = ''

@description('Who answers where a person is asked for: console is our own desk, tickets the shop has its own.')
@allowed(['console', 'tickets'])
param desk string = 'console'

@description('Where browsers reach the gateway, where a proxy with a name of its own stands before it.')
param publicUrl string = ''


var suffix = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var gatewayName = 'func-${suffix}'
var inferenceName = 'app-${suffix}'
var trainingName = 'func-training-${suffix}'
var intentModel = 'intents'
var faqModel = 'faq'
var gatewayUrl = 'https://${gatewayName}.azurewebsites.net'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: group
  params: { suffix: suffix, location: location, tags: tags }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: { suffix: suffix, location: location, tags: tags }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: { suffix: suffix, location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

module database 'database.bicep' = {
  name: 'database'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module registry 'registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    webhookUrl: '${gatewayUrl}/api/registry/webhook'
    webhookSecret: webhookSecret
  }
}

module network 'network.bicep' = {
  name: 'network'
  scope: group
  params: { suffix: suffix, location: location, tags: tags }
}

module inference 'inference.bicep' = {
  name: 'inference'
  scope: group
  params: {
    name: inferenceName
    location: location
    tags: tags
    sku: inferenceSku
    instances: inferenceInstances
    isPublic: publicInference
    allowedAddresses: filter(map(split(allowedAddresses, ','), range => trim(range)), range => !empty(range))
    gatewaySubnetId: network.outputs.gatewaySubnetId
    requiredModels: intentModel
    inferenceKey: inferenceKey
    productionImage: productionImage
    stagingImage: stagingImage
    identityId: identity.outputs.inferenceId
    identityClientId: identity.outputs.inferenceClientId
    workspaceId: monitoring.outputs.workspaceId
  }
}

module bot 'bot.bicep' = {
  name: 'bot'
  scope: group
  params: {
    suffix: suffix
    tags: tags
    endpoint: '${gatewayUrl}/api/messages'
    identityId: identity.outputs.gatewayId
    identityClientId: identity.outputs.gatewayClientId
    workspaceId: monitoring.outputs.workspaceId
    disableLocalAuth: disableBotLocalAuth
  }
}

module gateway 'gateway.bicep' = {
  name: 'gateway'
  scope: group
  params: {
    name: gatewayName
    location: location
    tags: union(tags, { 'azd-service-name': 'gateway' })
    maxInstances: gatewayMaxInstances
    memory: gatewayMemory
    identityId: identity.outputs.gatewayId
    identityClientId: identity.outputs.gatewayClientId
    workspaceId: monitoring.outputs.workspaceId
    insightsConnection: monitoring.outputs.insightsConnection
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    cosmosEndpoint: database.outputs.endpoint
    cosmosDatabase: database.outputs.databaseName
    inferenceUrl: inference.outputs.productionUrl
    stagingUrl: inference.outputs.stagingUrl
    inferenceSite: inferenceName
    intentModel: intentModel
    faqModel: faqModel
    subnetId: network.outputs.gatewaySubnetId
    inferenceKey: inferenceKey
    registryUrl: registry.outputs.url
    botName: bot.outputs.name
    shopUrl: shopUrl
    shopSigningKeys: shopSigningKeys
    shopCustomerTokenUrl: shopCustomerTokenUrl
    chatFrameAncestors: chatFrameAncestors
    callLogDays: callLogDays
    conversationDays: conversationDays
    userDays: userDays
    operatorWebhookUrl: operatorWebhookUrl
    webhookSecret: webhookSecret
    consoleClientId: consoleClientId
    consoleSessionKey: empty(consoleSessionKey) ? newSessionKey : consoleSessionKey
    consoleEasyAuth: consoleEasyAuth
    consoleSwaps: consoleSwaps
    training: training
    trainingAfter: trainingAfter
    trainingAt: trainingAt
    desk: desk
    publicUrl: publicUrl
  }
}

module trainer 'training.bicep' = if (training) {
  name: 'training'
  scope: group
  params: {
    name: trainingName
    location: location
    tags: union(tags, { 'azd-service-name': 'training' })
    identityId: identity.outputs.trainingId
    identityClientId: identity.outputs.trainingClientId
    workspaceId: monitoring.outputs.workspaceId
    insightsConnection: monitoring.outputs.insightsConnection
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.trainingContainer
    cosmosEndpoint: database.outputs.endpoint
    cosmosDatabase: database.outputs.databaseName
    inferenceUrl: inference.outputs.productionUrl
    intentModel: intentModel
    faqModel: faqModel
    subnetId: network.outputs.gatewaySubnetId
    inferenceKey: inferenceKey
    registryUrl: registry.outputs.url
    shopUrl: shopUrl
    operatorWebhookUrl: operatorWebhookUrl
  }
}

module access 'access.bicep' = {
  name: 'access'
  scope: group
  params: {
    suffix: suffix
    gatewayPrincipalId: identity.outputs.gatewayPrincipalId
    consoleSwaps: consoleSwaps
    training: training
    trainingPrincipalId: identity.outputs.trainingPrincipalId
    inferencePrincipalId: identity.outputs.inferencePrincipalId
    storageName: storage.outputs.name
    cosmosName: database.outputs.name
    registryName: registry.outputs.name
    inferenceSite: inferenceName
    insightsName: monitoring.outputs.insightsName
    deployerId: principalId
    deployerType: principalType
  }
  dependsOn: [inference]
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    emails: empty(alertEmails) ? [] : split(alertEmails, ',')
  }
}

// What azd keeps in .azure/<environment>/.env, and what npm run release, swap and releases read. No secret is among it.
output AZURE_LOCATION string = location
output AZURE_SUBSCRIPTION_ID string = subscription().subscriptionId
output AZURE_RESOURCE_GROUP string = group.name
output GATEWAY_URL string = gatewayUrl
output COSMOS_ENDPOINT string = database.outputs.endpoint
output COSMOS_DATABASE string = database.outputs.databaseName
output STORAGE_CONNECTION__queueServiceUri string = storage.outputs.queueUri
output STORAGE_CONNECTION__blobServiceUri string = storage.outputs.blobUri
output REGISTRY_URL string = registry.outputs.url
output INFERENCE_URL string = inference.outputs.productionUrl
output STAGING_URL string = inference.outputs.stagingUrl
output INFERENCE_SITE string = inferenceName
output INFERENCE_RESOURCE_GROUP string = group.name
output SHOP_URL string = shopUrl
