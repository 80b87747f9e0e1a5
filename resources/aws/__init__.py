"""How AWS is asked: profiles, guarded sessions, requests, answers, and many of them at once."""
