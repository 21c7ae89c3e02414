// The bot registration: its app id is the gateway's identity, so there is no password. Web Chat and Direct Line.
param suffix string
param tags object
param endpoint string
param identityId string
param identityClientId string
param workspaceId string
param disableLocalAuth bool

resource bot 'Microsoft.BotService/botServices@2022-09-15' = {
  name: 'bot-${suffix}'
  location: 'global'
  tags: tags
  kind: 'azurebot'
  sku: { name: 'S1' }
  properties: {
    displayName: 'Maru'
    endpoint: endpoint
    msaAppType: 'UserAssignedMSI'
    msaAppId: identityClientId
    msaAppMSIResourceId: identityId
    msaAppTenantId: subscription().tenantId
    // True closes the bot to whatever is no Entra token, and then perhaps to the Direct Line secret that /chat gets its tokens by
    // (docs/deploy.md, "Try these first").
    disableLocalAuth: disableLocalAuth
    isStreamingSupported: false
    schemaTransformationVersion: '1.3'
  }
}

resource webChat 'Microsoft.BotService/botServices/channels@2022-09-15' = {
  parent: bot
  name: 'WebChatChannel'
  location: 'global'
  properties: { channelName: 'WebChatChannel' }
}

resource directLine 'Microsoft.BotService/botServices/channels@2022-09-15' = {
  parent: bot
  name: 'DirectLineChannel'
  location: 'global'
  properties: {
    channelName: 'DirectLineChannel'
    properties: {
      sites: [
        { siteName: 'chat', isEnabled: true, isV1Enabled: false, isV3Enabled: true, isSecureSiteEnabled: false }
      ]
    }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: bot
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'BotRequest', enabled: true }]
  }
}

output name string = bot.name
