// The worker as a container app: from the same image as everywhere, scaled by what waits in the hub.
param name string
param location string
param tags object
param image string
param registryServer string
param identityId string
param identityClientId string
param endpoint string
param taskHubName string
param payloadStore string
param replicasMin int
param replicasMax int

// As many as one worker runs at once: above that, another one is started.
var activitiesMax = 32
var orchestrationsMax = 4
var graceSeconds = 30
var metricsPort = 9464
// Until azd has built ours there is only this one, which is none: it takes no work and is not probed.
var isOurs = !empty(image)
var placeholder = 'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${name}-logs'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30
  }
}

resource appEnvironment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: '${name}-environment'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
  }
}

// Older versions of this API drop the identity of a scale rule; azure.yaml deploys with the same one.
resource worker 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'worker' })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    managedEnvironmentId: appEnvironment.id
    configuration: {
      // No ingress: workers call, nobody calls them.
      activeRevisionsMode: 'Single'
      registries: [{ server: registryServer, identity: identityId }]
    }
    template: {
      // Ten seconds longer than its own grace: what runs is finished, and its results are sent.
      terminationGracePeriodSeconds: graceSeconds + 10
      containers: [
        {
          name: 'worker'
          image: isOurs ? image : placeholder
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          env: [
            { name: 'ENDPOINT', value: endpoint }
            { name: 'TASKHUB', value: taskHubName }
            { name: 'PAYLOAD_STORE', value: payloadStore }
            { name: 'AZURE_CLIENT_ID', value: identityClientId }
            { name: 'AZURE_TOKEN_CREDENTIALS', value: 'ManagedIdentityCredential' }
            { name: 'WORKER_ACTIVITIES_MAX', value: string(activitiesMax) }
            { name: 'WORKER_ORCHESTRATIONS_MAX', value: string(orchestrationsMax) }
            { name: 'WORKER_GRACE_SECONDS', value: string(graceSeconds) }
            { name: 'WORKER_METRICS_PORT', value: string(metricsPort) }
            { name: 'LOG_FORMAT', value: 'json' }
          ]
          // Container Apps asks over HTTP only. A worker answers once it has reached the scheduler: ten
          // minutes, as a new role takes some of them to count.
          probes: isOurs ? [
            {
              type: 'Liveness'
              httpGet: { path: '/metrics', port: metricsPort }
              periodSeconds: 60
              timeoutSeconds: 5
              failureThreshold: 10
            }
          ] : []
        }
      ]
      scale: {
        minReplicas: replicasMin
        maxReplicas: replicasMax
        rules: [
          {
            name: 'activities'
            custom: {
              type: 'azure-durabletask-scheduler'
              metadata: {
                endpoint: endpoint
                taskhubName: taskHubName
                maxConcurrentWorkItemsCount: string(activitiesMax)
                workItemType: 'Activity'
              }
              identity: identityId
            }
          }
          {
            name: 'orchestrations'
            custom: {
              type: 'azure-durabletask-scheduler'
              metadata: {
                endpoint: endpoint
                taskhubName: taskHubName
                maxConcurrentWorkItemsCount: string(orchestrationsMax)
                workItemType: 'Orchestration'
              }
              identity: identityId
            }
          }
        ]
      }
    }
  }
}
