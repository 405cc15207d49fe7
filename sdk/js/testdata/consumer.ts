/** A program in TypeScript: `tsc` must accept it against the package's types. */
import { JsonRpcProvider, Wallet } from "ethers";
import { Client, Refused } from "deepnode";
import { quantise } from "deepnode/codes";
import { type Statement } from "deepnode/statement";
import { verify } from "deepnode/verify";

export async function classOf(url: string, rpc: string, key: string, image: Float32Array): Promise<number> {
  const client = new Client(url, new Wallet(key));
  const model = await client.model("digits");
  const codes: number[] = quantise({ scale: model.input_scale, offset: model.input_offset }, image);
  console.log(codes.length, (await client.chain()).rollup.length, verify.length);
  try {
    const { asked, values } = await client.infer(model, image);
    const task = await client.proven(asked);
    const statement: Statement = await client.verified(asked, new JsonRpcProvider(rpc));
    for await (const { state, seq } of client.events({ taskId: asked.taskId })) console.log(state, seq + 1, statement.count);
    return values.indexOf(Math.max(...values)) + task.output.length;
  } catch (error) {
    if (error instanceof Refused) console.error(error.message);
    throw error;
  }
}
