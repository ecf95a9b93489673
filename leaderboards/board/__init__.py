"""A board by value: tables, contrasts, questions, published figures."""
