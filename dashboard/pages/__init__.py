"""The pages: each a pure layout, and callbacks that fetch and call it."""
