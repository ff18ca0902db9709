// Proves that what a view shows never goes back to an older answer.
import { expect, it } from 'vitest';
import { Poll } from './poll.svelte';

/** A question whose answers come when the test says so, in whatever order. */
function asked(): { poll: Poll<string>; answers: { give: (value: string) => void; fail: (reason: string) => void }[] } {
  const answers: { give: (value: string) => void; fail: (reason: string) => void }[] = [];
  const poll = new Poll(() => new Promise<string>((give, fail) => answers.push({ give, fail: (reason) => fail(new Error(reason)) })), 1000);
  return { poll, answers };
}

it('drops an answer, and a failure, that a newer question has overtaken', async () => {
  const { poll, answers } = asked();
  const rounds = [poll.again(), poll.again(), poll.again()];
  answers[1]?.give('second');
  await rounds[1];
  expect(poll.value).toBe(undefined);
  answers[2]?.give('third');
  await rounds[2];
  answers[0]?.fail('too late');
  await rounds[0];
  expect([poll.value, poll.problem]).toEqual(['third', '']);
});

it('keeps the last answer when one fails, and says why', async () => {
  const { poll, answers } = asked();
  const first = poll.again();
  answers[0]?.give('there');
  await first;
  const second = poll.again();
  answers[1]?.fail('it sleeps');
  await second;
  expect([poll.value, poll.problem]).toEqual(['there', 'it sleeps']);
});
