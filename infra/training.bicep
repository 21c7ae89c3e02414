// The app that trains: the gateway's build, with memory of its own, and no instance while there is nothing to learn.
param name string
param location string
param tags object
param identityId string
param identityClientId string
param workspaceId string
param insightsConnection string
param storageName string
param deploymentContainer string
param cosmosEndpoint string
param cosmosDatabase string
param inferenceUrl string
param intentModel string
param faqModel string
param subnetId string
@secure()
param inferenceKey string
param registryUrl string
param shopUrl string
@secure()
param operatorWebhookUrl string

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // It asks the model that is live, which knows its callers by their subnet.
    virtualNetworkSubnetId: subnetId
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      // 4 GB have two cores, which a training uses.
      scaleAndConcurrency: { maximumInstanceCount: 40, instanceMemoryMB: 4096 }
      runtime: { name: 'node', version: '22' }
    }
    siteConfig: {
      http20Enabled: true
      minTlsVersion: '1.2'
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: {
      APP: 'training'
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
      // One training at a time an instance: each takes all its cores.
      AzureFunctionsJobHost__extensions__queues__batchSize: '1'
      AzureFunctionsJobHost__extensions__queues__newBatchThreshold: '0'
      STORAGE_CONNECTION__credential: 'managedidentity'
      STORAGE_CONNECTION__clientId: identityClientId
      STORAGE_CONNECTION__blobServiceUri: storage.properties.primaryEndpoints.blob
      STORAGE_CONNECTION__queueServiceUri: storage.properties.primaryEndpoints.queue
      AZURE_CLIENT_ID: identityClientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      COSMOS_ENDPOINT: cosmosEndpoint
      COSMOS_DATABASE: cosmosDatabase
      INFERENCE_URL: inferenceUrl
      INFERENCE_KEY: inferenceKey
      INTENT_MODEL: intentModel
      FAQ_MODEL: faqModel
      REGISTRY_URL: registryUrl
      OPERATOR_WEBHOOK_URL: operatorWebhookUrl
      SHOP_URL: shopUrl
    }
  }
}

resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: site
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
