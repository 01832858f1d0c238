"""The HTTP face: hooks, the JSON API, health, and the server that carries them."""
