/* TODO: rest */
