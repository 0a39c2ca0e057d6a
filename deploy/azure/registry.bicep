// Where the worker's image is, built there or pushed; workers pull it as themselves.
param name string
param location string
param tags object
param pullPrincipalId string

// AcrPull
var roleId = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: { adminUserEnabled: false }
}

resource pullRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, pullPrincipalId, roleId)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    principalId: pullPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// After the role: an app that cannot pull its image cannot be made.
output server string = registry.properties.loginServer
