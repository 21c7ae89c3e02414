/** The skills with a queue of their own: apart from the skills themselves, so that a cold start need not load them. */
export const queuedSkills = ['orders', 'products', 'person', 'images'] as const;
