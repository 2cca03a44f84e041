"""What assistants may ask: figures, tables and queries of the published file, by the Model Context Protocol."""
