"""The journal folded anew: identities verified and rebuilt; refused messages taken again; a merge undone."""
