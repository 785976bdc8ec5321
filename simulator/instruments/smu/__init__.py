"""What every simulated source-measure unit is made of: data sheets and the analog channel. Knows no dialect."""
