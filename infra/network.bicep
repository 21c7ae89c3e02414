// What the calls of the gateway, and of the app that trains, come from: the model server lets in this subnet, and nobody else.
param suffix string
param location string
param tags object

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/24'] }
  }

  resource gateway 'subnets' = {
    name: 'gateway'
    properties: {
      addressPrefix: '10.20.0.0/26'
      // Flex Consumption takes a subnet that is delegated to this, and to nothing else.
      delegations: [{ name: 'functions', properties: { serviceName: 'Microsoft.App/environments' } }]
      // What makes the model server see which subnet a request comes from.
      serviceEndpoints: [{ service: 'Microsoft.Web' }]
      // Channels, the shop and the registry are on the internet; new subnets have no way out unless they say so.
      defaultOutboundAccess: true
    }
  }
}

output gatewaySubnetId string = network::gateway.id
