"""The errors of the paper, of its released code and of an introductory article, each shown by numbers: `refnode errata`, ERRATA.md."""
