// Workers on Azure Container Apps, and all that they need: scheduler, task hub, identity, roles,
// registry, payload store. `azd up` deploys it (azure.yaml); docs/azure.md tells how and what it costs.
targetScope = 'subscription'

@description('The name of the environment: of the resource group, and a tag on everything.')
@minLength(1)
@maxLength(48)
param environmentName string

@description('The region of everything; the scheduler must be sold there.')
param location string

@description('The object id of the person who deploys, for the client and the dashboard; empty for nobody.')
param principalId string = ''

@description('What principalId is: User, or ServicePrincipal where a pipeline deploys.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

@description('The task hub.')
@minLength(3)
@maxLength(64)
param taskHubName string = 'default'

@description('Consumption is paid by use, Dedicated by capacity.')
@allowed(['Consumption', 'Dedicated'])
param schedulerSku string = 'Consumption'

@description('Capacity units of a dedicated scheduler.')
@minValue(1)
@maxValue(3)
param schedulerCapacity int = 1

@description('Who may connect to the scheduler: addresses and ranges with commas between them. No default: 0.0.0.0/0 is every address on the internet, which workers on Container Apps without a network of their own need.')
@minLength(1)
param ipAllowlist string

@description('The worker\'s image; azd sets it once it has built one.')
param workerImage string = ''

@description('Workers at rest. 0 costs nothing, and the first order waits for a start.')
@minValue(0)
@maxValue(100)
param workerReplicasMin int = 0

@description('Workers at most.')
@minValue(1)
@maxValue(100)
param workerReplicasMax int = 10

@description('Days after which a stored payload is deleted; 0 keeps all. Longer than the longest orchestration and the retention of the task hub together, and 0 where entities keep large states.')
@minValue(0)
@maxValue(36500)
param payloadDaysMax int = 0

var tags = { 'azd-env-name': environmentName }
// Names that are unique in Azure, and the same at every deployment of this environment.
var token = uniqueString(subscription().id, environmentName, location)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'worker-${token}'
    location: location
    tags: tags
  }
}

module scheduler 'scheduler.bicep' = {
  name: 'scheduler'
  scope: group
  params: {
    name: 'sched-${token}'
    location: location
    tags: tags
    skuName: schedulerSku
    skuCapacity: schedulerCapacity
    ipAllowlist: split(replace(ipAllowlist, ' ', ''), ',')
    taskHubName: taskHubName
    workerPrincipalId: identity.outputs.principalId
    personPrincipalId: principalId
    personPrincipalType: principalType
  }
}

module payloads 'payloads.bicep' = {
  name: 'payloads'
  scope: group
  params: {
    name: 'pay${token}'
    location: location
    tags: tags
    daysMax: payloadDaysMax
    workerPrincipalId: identity.outputs.principalId
    personPrincipalId: principalId
    personPrincipalType: principalType
  }
}

module registry 'registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    name: 'reg${token}'
    location: location
    tags: tags
    pullPrincipalId: identity.outputs.principalId
  }
}

module worker 'worker.bicep' = {
  name: 'worker'
  scope: group
  params: {
    name: 'worker'
    location: location
    tags: tags
    image: workerImage
    registryServer: registry.outputs.server
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    endpoint: scheduler.outputs.endpoint
    taskHubName: scheduler.outputs.taskHubName
    payloadStore: payloads.outputs.payloadStore
    replicasMin: workerReplicasMin
    replicasMax: workerReplicasMax
  }
}

// azd keeps these as variables: the client's three, and where it pushes the image.
output ENDPOINT string = scheduler.outputs.endpoint
output TASKHUB string = scheduler.outputs.taskHubName
output PAYLOAD_STORE string = payloads.outputs.payloadStore
output DASHBOARD string = scheduler.outputs.dashboard
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.server
