"""mcp, the stock client of the Model Context Protocol, uses the tools over stdio and over HTTP."""

import asyncio

import httpx2
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from network import bearer, images, labels, program, state, told, url

TOOLS = {"list_models", "quote", "infer", "get_proof", "verify", "balance"}
rows = images[:3].tolist()


async def call(agent, tool, is_error=False, **arguments):
    result = await agent.call_tool(tool, arguments)
    assert bool(result.is_error) == is_error, (tool, result)
    return result.structured_content


async def use(agent, has_session):
    """Asks, has the answer proven, and has the proof verified."""
    listed = {tool.name: tool for tool in (await agent.list_tools()).tools}
    assert set(listed) == TOOLS and all(tool.description for tool in listed.values()), listed
    (model,) = (await call(agent, "list_models"))["models"]
    assert model["numbers_in"] == 64 and model["classes"] == 10, model
    quote = await call(agent, "quote", model="mlp", rows=3)
    assert quote["total_dn"] == "0.03", quote
    before = await call(agent, "balance")
    answered = await call(agent, "infer", model="mlp", inputs=rows)
    assert [a["class"] for a in answered["answers"]] == labels[:3].tolist(), answered
    answer = answered["answers"][1]
    task = answer["task_id"]

    proof = await call(agent, "get_proof", task_id=task, wait_s=60)
    assert proof["is_proven"] and proof["proven_output_hash"] == answer["receipt"]["output_hash"], proof
    opening = {} if has_session else {"codes": answer["codes"], "salt": answer["salt"]}
    verdict = await call(agent, "verify", task_id=task, wait_s=60, **opening)
    assert verdict["verified"] and verdict["answer_is_the_proven_one"] and verdict["verify_ms"] > 0, verdict
    if not has_session:
        verdict = await call(agent, "verify", task_id=task)
        assert verdict["proof_holds"] and not verdict["verified"] and "codes and salt" in verdict["flaw"], verdict
    lie = [answer["codes"][0] ^ 1] + answer["codes"][1:]
    verdict = await call(agent, "verify", task_id=task, codes=lie, salt=answer["salt"])
    assert not verdict["verified"] and verdict["answer_is_the_proven_one"] is False, verdict

    for tool, code, arguments in [
        ("infer", "bad_tensor", {"model": "mlp", "inputs": [[1.0]]}),
        ("infer", "model_not_found", {"model": "nothing", "inputs": rows}),
        ("get_proof", "task_not_found", {"task_id": "0x" + "00" * 32}),
        ("verify", "task_not_found", {"task_id": "nonsense"}),
        ("verify", "malformed_request", {"task_id": task, "codes": [1]}),
    ]:
        assert (await call(agent, tool, True, **arguments))["code"] == code, tool
    return before, await call(agent, "balance")


async def over_stdio():
    """A session with 0.05 DN: enough for five rows."""
    words = ["mcp", "--sequencer", told["sequencer"], "--rpc-url", told["rpc"], "--budget", "0.05"]
    server = StdioServerParameters(command=program, args=[*words, "--key-file", str(state / "keys/user-1.key")])
    async with Client(stdio_client(server)) as agent:
        before, after = await use(agent, True)
        assert before["session_budget_dn"] == "0.05" and after["session_budget_dn"] == "0.02", (before, after)
        assert float(after["escrow_dn"]) < float(before["escrow_dn"]), (before, after)
        refused = await call(agent, "infer", True, model="mlp", inputs=rows)
        assert refused["code"] == "session_budget" and "0.02 DN left" in refused["error"], refused
        await call(agent, "infer", model="mlp", inputs=rows[:2])
        assert (await call(agent, "balance"))["session_budget_dn"] == "0"


async def over_http():
    """The API key's escrow is the budget."""
    async with httpx2.AsyncClient(headers=bearer(), timeout=90) as http:
        async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as agent:
            await use(agent, False)
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", answer


asyncio.run(over_stdio())
asyncio.run(over_http())
print("mcp: the stock client infers, waits for proofs and has them verified, over stdio and over HTTP")
