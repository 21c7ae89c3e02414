// What a person should hear of, from what the gateway logs: functions/queues/log.ts, poison.ts, releases/advance.ts.
param suffix string
param location string
param tags object
param insightsId string
param emails array

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'maru'
    enabled: true
    emailReceivers: [
      for (email, index) in emails: {
        name: 'operator-${index}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// Application Insights' own tables: traces holds a line of JSON for each log of the gateway.
var lines = 'traces | extend line = parse_json(message) '
// Where telemetry is sampled a row stands for several lines, and says for how many.
var counted = ' | summarize times = sum(itemCount) by bin(timestamp, 5m)'

resource failedTurns 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'failed-turns-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'Maru: turns failed'
    description: 'More than five turns in fifteen minutes were answered with the apology.'
    severity: 1
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: '${lines}| where line.message == "turn" and line.outcome == "failed"${counted}'
          metricMeasureColumn: 'times'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 5
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operators.id] }
  }
}

resource poisonMessages 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'poison-messages-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'Maru: poison messages'
    description: 'A queue message failed five times.'
    severity: 2
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: '${lines}| where line.message == "poison message"${counted}'
          metricMeasureColumn: 'times'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operators.id] }
  }
}

resource slowTurns 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'slow-turns-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'Maru: turns are slow'
    description: 'The p95 from a turn being accepted to its answer is over two seconds.'
    severity: 2
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: '${lines}| where line.message == "turn" | summarize p95 = percentile(todouble(line.ms), 95)'
          metricMeasureColumn: 'p95'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 2000
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operators.id] }
  }
}

resource failedStaging 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'staging-failed-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'Maru: a release failed'
    description: 'An image was pushed and could not be staged, or did not pass its checks.'
    severity: 2
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: '${lines}| where line.message == "release" and line.state == "failed"${counted}'
          metricMeasureColumn: 'times'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operators.id] }
  }
}
