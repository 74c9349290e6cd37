"""LinkedIn, versioned REST API: members and organization pages."""
