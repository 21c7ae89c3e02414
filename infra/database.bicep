// Serverless Cosmos DB. Session consistency is not enough: a wake-up in another process must see the write that sent it.
param suffix string
param location string
param tags object
param workspaceId string

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: 'cosmos-${suffix}'
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: [{ name: 'EnableServerless' }]
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: false }]
    consistencyPolicy: { defaultConsistencyLevel: 'Strong' }
    disableLocalAuth: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: 'Enabled'
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2026-03-15' = {
  parent: account
  name: 'maru'
  properties: { resource: { id: 'maru' } }
}

// As functions/services/stores.ts has them. defaultTtl −1: each document brings its own. Everything else of a document is asked for
// seldom, and within days that the index finds (labels, other ways to say things): an index of it would cost each turn a write.
resource conversations 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'conversations'
  properties: {
    resource: {
      id: 'conversations'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [
          { path: '/wakeAt/?' }
          { path: '/participants/[]/?' }
          { path: '/speaker/kind/?' }
          { path: '/speaker/since/?' }
          { path: '/callback/since/?' }
        ]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource users 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'users'
  properties: {
    resource: {
      id: 'users'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/customerIds/[]/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// The call log.
resource turns 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'turns'
  properties: {
    resource: {
      id: 'turns'
      partitionKey: { paths: ['/conversationId'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [
          { path: '/userId/?' }
          { path: '/answeredAt/?' }
          { path: '/ordinal/?' }
          { path: '/understanding/intent/?' }
          { path: '/feedback/rating/?' }
        ]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource notes 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'notes'
  properties: {
    resource: {
      id: 'notes'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/participants/[]/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource lessons 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'lessons'
  properties: {
    resource: {
      id: 'lessons'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/at/?' }, { path: '/participants/[]/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource staff 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'staff'
  properties: {
    resource: {
      id: 'staff'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/seenAt/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource incidents 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'incidents'
  properties: {
    resource: {
      id: 'incidents'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/at/?' }, { path: '/userId/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource statistics 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'statistics'
  properties: {
    resource: {
      id: 'statistics'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/hourAt/?' }, { path: '/dayAt/?' }, { path: '/staleAt/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// What a person said that customers mean.
resource reviews 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'reviews'
  properties: {
    resource: {
      id: 'reviews'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/participants/[]/?' }, { path: '/decidedAt/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// What the bot says: drafts, versions, and the pointer to what is live.
resource content 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'content'
  properties: {
    resource: {
      id: 'content'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/draftAt/?' }, { path: '/serial/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// Who of the staff saw, changed, released or erased what.
resource audit 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'audit'
  properties: {
    resource: {
      id: 'audit'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/at/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// The release that answers a growing share of conversations.
resource ramps 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'ramps'
  properties: {
    resource: {
      id: 'ramps'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: []
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// The log seen again by what went live: counts.
resource replays 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'replays'
  properties: {
    resource: {
      id: 'replays'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/startedAt/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// Training jobs: what was learned, and what came of it.
resource trainings 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'trainings'
  properties: {
    resource: {
      id: 'trainings'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/at/?' }, { path: '/state/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// Trials of searches: which settings were tried, and what came of it.
resource trials 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'trials'
  properties: {
    resource: {
      id: 'trials'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/training/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource releases 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'releases'
  properties: {
    resource: {
      id: 'releases'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/pushedAt/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// Who was erased, until nothing of before can be under way.
resource erasures 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: 'erasures'
  properties: {
    resource: {
      id: 'erasures'
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/repeatAt/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'ControlPlaneRequests', enabled: true }, { category: 'PartitionKeyRUConsumption', enabled: true }]
    metrics: [{ category: 'Requests', enabled: true }]
  }
}

output name string = account.name
output endpoint string = account.properties.documentEndpoint
output databaseName string = database.name
