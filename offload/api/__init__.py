"""What `import offload` offers to programs: the commands as functions, with typed answers."""
