"""Large payloads as blobs, in what stands in for an Azure storage account on this machine."""
