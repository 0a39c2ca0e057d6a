"""Bills of materials: what each service is made of, for whoever has to know."""
