"""The index: everything the feeds say, in one immutable file that is looked up without being loaded."""
