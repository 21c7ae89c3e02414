// The model server: a Web App for Containers with a staging slot. Both pull with the app's identity.
param name string
param location string
param tags object
param sku string
param instances int
param isPublic bool
param allowedAddresses array
param gatewaySubnetId string
param requiredModels string
@secure()
param inferenceKey string
param productionImage string
param stagingImage string
param identityId string
param identityClientId string
param workspaceId string

// Answers nothing of ours; the first release replaces it.
var placeholder = 'mcr.microsoft.com/appsvc/staticsite:latest'

// Open to the internet only with a key that everybody must show.
var isOpen = isPublic && !empty(inferenceKey)

var fixed = [
  { name: 'PORT', value: '8080' }
  { name: 'WEBSITES_PORT', value: '8080' }
  { name: 'WEBSITES_CONTAINER_START_TIME_LIMIT', value: '230' }
  // A swap waits for the model to be served, and takes only a 200 for it: without the statuses a 500 would do.
  { name: 'WEBSITE_SWAP_WARMUP_PING_PATH', value: '/v2/health/ready' }
  { name: 'WEBSITE_SWAP_WARMUP_PING_STATUSES', value: '200' }
  { name: 'WEBSITES_ENABLE_APP_SERVICE_STORAGE', value: 'false' }
  { name: 'AZURE_CLIENT_ID', value: identityClientId }
  { name: 'REQUIRED_MODELS', value: requiredModels }
]
// Without REPOSITORY_KEY nobody loads or unloads models: a release is an image.
var settings = union(fixed, empty(inferenceKey) ? [] : [{ name: 'INFERENCE_KEY', value: inferenceKey }])

var gatewayRule = {
  name: 'gateway'
  action: 'Allow'
  priority: 100
  vnetSubnetResourceId: gatewaySubnetId
}
var addressRules = [
  for (range, index) in allowedAddresses: {
    name: 'allowed-${index}'
    action: 'Allow'
    priority: 200 + index
    ipAddress: range
  }
]

var configuration = {
  alwaysOn: true
  http20Enabled: true
  minTlsVersion: '1.2'
  ftpsState: 'Disabled'
  // Whether the process is alive: one model that can't be served must take no instance away.
  healthCheckPath: '/v2/health/live'
  acrUseManagedIdentityCreds: true
  acrUserManagedIdentityID: identityClientId
  ipSecurityRestrictionsDefaultAction: isOpen ? 'Allow' : 'Deny'
  ipSecurityRestrictions: concat([gatewayRule], addressRules)
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'linux'
  sku: { name: sku, capacity: instances }
  properties: { reserved: true }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'app,linux,container'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    siteConfig: union(configuration, {
      linuxFxVersion: 'DOCKER|${empty(productionImage) ? placeholder : productionImage}'
      appSettings: union(settings, [{ name: 'MARU_SLOT', value: 'production' }])
    })
  }
}

resource staging 'Microsoft.Web/sites/slots@2025-03-01' = {
  parent: site
  name: 'staging'
  location: location
  tags: tags
  kind: 'app,linux,container'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    // Not here: a swap warms this slot by plain HTTP, and a redirect to HTTPS is no 200. It answers the gateway's subnet and the allowed
    // addresses alone, and that it redirects nobody is not swapped.
    httpsOnly: false
    clientAffinityEnabled: false
    siteConfig: union(configuration, {
      linuxFxVersion: 'DOCKER|${empty(stagingImage) ? placeholder : stagingImage}'
      appSettings: union(settings, [{ name: 'MARU_SLOT', value: 'staging' }])
    })
  }
}

resource sticky 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'slotConfigNames'
  properties: { appSettingNames: ['MARU_SLOT'] }
}

resource siteFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

resource siteScm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
}

resource slotFtp 'Microsoft.Web/sites/slots/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: staging
  name: 'ftp'
  properties: { allow: false }
}

resource slotScm 'Microsoft.Web/sites/slots/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: staging
  name: 'scm'
  properties: { allow: false }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: site
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'AppServiceConsoleLogs', enabled: true }
      { category: 'AppServiceHTTPLogs', enabled: true }
      { category: 'AppServicePlatformLogs', enabled: true }
    ]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output productionUrl string = 'https://${site.properties.defaultHostName}'
output stagingUrl string = 'https://${staging.properties.defaultHostName}'
