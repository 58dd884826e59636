"""The commands of the command line, a file each; `gradcheck.cli` imports them when they are asked for."""
