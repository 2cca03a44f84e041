"""From landed pages to declared tables, in one transaction with the cursors."""
