/** What somebody does in the playground. */
import { DIGITS } from "./digits.js";

/** Draws a digit with the mouse. */
export async function drawn(page, digit) {
  const box = await page.getByRole("application").boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  for (const stroke of DIGITS[digit]) {
    await page.mouse.move(...at(stroke[0]));
    await page.mouse.down();
    for (const point of stroke) await page.mouse.move(...at(point), { steps: 4 });
    await page.mouse.up();
  }
}

/** Puts 1 DN of the development chain into the playground's account. */
export async function fund(page) {
  await page.getByRole("button", { name: "Put 1 DN in" }).click();
  await page.locator(".balance", { hasText: /^[1-9].* DN$/ }).waitFor();
}
