"""Pure functions of numbers: intervals and paired tests, AUC, majority and weighted votes."""
