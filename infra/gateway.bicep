// The gateway: a functions app on Flex Consumption. Every connection is the app's identity.
param name string
param location string
param tags object
param maxInstances int
param memory int
param identityId string
param identityClientId string
param workspaceId string
param insightsConnection string
param storageName string
param deploymentContainer string
param cosmosEndpoint string
param cosmosDatabase string
param inferenceUrl string
param stagingUrl string
param inferenceSite string
param intentModel string
param faqModel string
param subnetId string
@secure()
param inferenceKey string
param registryUrl string
param botName string
param shopUrl string
param shopSigningKeys string
param shopCustomerTokenUrl string
param chatFrameAncestors string
param callLogDays int
param conversationDays int
param userDays int
@secure()
param operatorWebhookUrl string
@secure()
param webhookSecret string
param consoleClientId string
@secure()
param consoleSessionKey string
param consoleEasyAuth bool
param consoleSwaps bool
param training bool
param trainingAfter int
param trainingAt string
param desk string
param publicUrl string

var consoleIssuer = '${environment().authentication.loginEndpoint}${subscription().tenantId}/v2.0'

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource bot 'Microsoft.BotService/botServices@2022-09-15' existing = {
  name: botName

  resource directLine 'channels' existing = {
    name: 'DirectLineChannel'
  }
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
    // Where its calls come from, so that the model server knows them.
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
      scaleAndConcurrency: { maximumInstanceCount: maxInstances, instanceMemoryMB: memory }
      runtime: { name: 'node', version: '22' }
    }
    siteConfig: {
      http20Enabled: true
      // Flex Consumption refuses ftpsState (error 51021: it has no FTP) and ignores healthCheckPath.
      minTlsVersion: '1.2'
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: {
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
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
      STAGING_URL: stagingUrl
      INFERENCE_SITE: inferenceSite
      INFERENCE_RESOURCE_GROUP: resourceGroup().name
      AZURE_SUBSCRIPTION_ID: subscription().subscriptionId
      REGISTRY_URL: registryUrl
      REGISTRY_WEBHOOK_SECRET: webhookSecret
      OPERATOR_WEBHOOK_URL: operatorWebhookUrl
      SHOP_URL: shopUrl
      SHOP_SIGNING_KEYS: shopSigningKeys
      SHOP_CUSTOMER_TOKEN_URL: shopCustomerTokenUrl
      CHAT_FRAME_ANCESTORS: chatFrameAncestors
      // Without a way to sign in there is nobody at our own desk.
      DESK: desk == 'console' && empty(consoleClientId) ? 'tickets' : desk
      PUBLIC_URL: publicUrl
      CONSOLE_ISSUER: consoleIssuer
      CONSOLE_CLIENT_ID: consoleClientId
      CONSOLE_SESSION_KEY: consoleSessionKey
      CONSOLE_SWAPS: string(consoleSwaps)
      TRAINING: string(training)
      TRAINING_AFTER: string(trainingAfter)
      TRAINING_AT: trainingAt
      // What App Service's own sign-in shows the registration: the app's identity, by its federated credential.
      OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId
      CALL_LOG_DAYS: string(callLogDays)
      CONVERSATION_DAYS: string(conversationDays)
      USER_DAYS: string(userDays)
      MicrosoftAppId: identityClientId
      MicrosoftAppType: 'UserAssignedMSI'
      MicrosoftAppTenantId: subscription().tenantId
      DIRECT_LINE_SECRET: bot::directLine.listChannelWithKeys().setting.sites[0].key
    }
  }
}

// Off unless asked for: the app signs in by itself. Nobody is asked who they are on the way to the bot's own routes; channels show tokens of
// their own there, which this sign-in must not take for its.
resource auth 'Microsoft.Web/sites/config@2025-03-01' = if (consoleEasyAuth && !empty(consoleClientId)) {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
      excludedPaths: ['/api/messages', '/api/conversations', '/api/registry/webhook']
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: consoleClientId
          openIdIssuer: consoleIssuer
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
        }
        validation: { allowedAudiences: [consoleClientId, 'api://${consoleClientId}'] }
      }
    }
    login: { tokenStore: { enabled: false } }
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
