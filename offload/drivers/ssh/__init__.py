"""SSH, through paramiko."""
