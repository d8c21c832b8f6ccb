/* see facts/protocols.md */
