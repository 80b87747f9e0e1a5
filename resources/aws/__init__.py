"""The AWS client: profiles, guarded sessions, requests and responses, and their concurrent dispatch."""
