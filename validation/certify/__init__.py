"""Expected values with proved error bars: enclosures of solutions, sensitivities and gradients in ball arithmetic."""
