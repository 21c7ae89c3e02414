/** The skills with a queue of their own: apart from the skills themselves, so that a cold start need not load them. */
export const queuedSkills = ['flow', 'person', 'images'] as const;
