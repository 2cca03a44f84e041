"""The writer's file: opening it, running models in order, publishing."""
