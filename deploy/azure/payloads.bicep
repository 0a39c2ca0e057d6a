// Where payloads above 16 KiB are kept: a container of blobs, without keys and without public access.
param name string
param location string
param tags object
param daysMax int
param workerPrincipalId string
param personPrincipalId string
param personPrincipalType string

// Storage Blob Data Contributor
var roleId = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'payloads'
}

// Only where it was asked for: a payload that is deleted too soon fails whoever reads it.
resource expiry 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = if (daysMax > 0) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'payloads-that-nothing-needs'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['payloads/']
            }
            actions: {
              baseBlob: {
                delete: { daysAfterModificationGreaterThan: daysMax }
              }
            }
          }
        }
      ]
    }
  }
}

resource workerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, workerPrincipalId, roleId)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    principalId: workerPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource personRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(personPrincipalId)) {
  name: guid(account.id, personPrincipalId, roleId)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    principalId: personPrincipalId
    principalType: personPrincipalType
  }
}

output payloadStore string = '${account.properties.primaryEndpoints.blob}${container.name}'
