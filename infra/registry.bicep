// Images of the model server. Its webhook tells the gateway of a push; it tries once, so a timer looks too.
param suffix string
param location string
param tags object
param workspaceId string
param webhookUrl string
@secure()
param webhookSecret string

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: 'cr${suffix}'
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: 'Enabled'
  }
}

resource webhook 'Microsoft.ContainerRegistry/registries/webhooks@2025-11-01' = {
  parent: registry
  name: 'staging'
  location: location
  tags: tags
  properties: {
    actions: ['push']
    scope: 'maru/inference:staging'
    status: 'enabled'
    serviceUri: webhookUrl
    customHeaders: { 'X-Maru-Webhook-Secret': webhookSecret }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: registry
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output name string = registry.name
output url string = 'https://${registry.properties.loginServer}'
