"""What the measured arrays mean. Pure functions of values; nothing here touches the store or an instrument."""
