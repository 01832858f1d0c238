"""The built-in apps, registered through the public hooks like anyone's."""
