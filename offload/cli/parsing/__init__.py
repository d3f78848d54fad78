"""What is typed: options and their defaults, pages of help, values for the shell, errors of use."""
