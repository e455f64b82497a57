"""Generated messages and stubs of package sessionstore.v1. See proto/ for their documentation."""
