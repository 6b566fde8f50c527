// Gives the workers of a test run one folder for what each of them would else make anew, like empty databases.
import { MADE_ONCE_FOLDER, newMadeOnceFolder } from './made-once.ts';

export default async function setup() {
  process.env[MADE_ONCE_FOLDER] = await newMadeOnceFolder();
}
