// The Durable Task Scheduler, one task hub, and the role on that hub for workers and for a person.
param name string
param location string
param tags object
param skuName string
param skuCapacity int
param ipAllowlist string[]
param taskHubName string
param workerPrincipalId string
param personPrincipalId string
param personPrincipalType string

// Durable Task Data Contributor
var roleId = '0ad04412-c4d5-4796-b79c-f76d14c8d402'

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: (skuName == 'Dedicated') ? { name: skuName, capacity: skuCapacity } : { name: skuName }
    ipAllowlist: ipAllowlist
  }
}

resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: taskHubName
}

resource workerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(taskHub.id, workerPrincipalId, roleId)
  scope: taskHub
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    principalId: workerPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource personRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(personPrincipalId)) {
  name: guid(taskHub.id, personPrincipalId, roleId)
  scope: taskHub
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    principalId: personPrincipalId
    principalType: personPrincipalType
  }
}

output endpoint string = scheduler.properties.endpoint
output taskHubName string = taskHub.name
output dashboard string = 'https://dashboard.durabletask.io/?endpoint=${scheduler.properties.endpoint}&taskhub=${taskHub.name}'
