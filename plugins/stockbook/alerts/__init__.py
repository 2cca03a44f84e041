"""What a person is told of after a night: rules, the alerts they raise, and how they are sent."""
