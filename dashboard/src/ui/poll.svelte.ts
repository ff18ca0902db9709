// Asks again and again while a view is open, and keeps the last answer when one fails.

export class Poll<Value> {
  value = $state.raw<Value | undefined>(undefined);
  problem = $state('');

  constructor(private readonly ask: () => Promise<Value>, everyMs: number) {
    $effect(() => {
      void this.again();
      const timer = setInterval(() => { if (!document.hidden) void this.again(); }, everyMs);
      return () => clearInterval(timer);
    });
  }

  async again(): Promise<void> {
    try {
      this.value = await this.ask();
      this.problem = '';
    } catch (error) {
      this.problem = error instanceof Error ? error.message : 'The server did not answer';
    }
  }
}
