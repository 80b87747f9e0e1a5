"""The published dataset in the formats of other systems: a refused run changes no export."""
