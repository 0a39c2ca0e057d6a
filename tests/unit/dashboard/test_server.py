import asyncio
import socket

from services.dashboard.server import bind


async def no_delay_of_an_accepted_connection() -> int:
    option: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted: socket.socket = writer.get_extra_info("socket")
        option.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bind("127.0.0.1", 0)
    async with await asyncio.start_server(serve, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        found = await option
        writer.close()
        await writer.wait_closed()
    return found


def test_an_answer_never_waits_for_the_packet_before_it() -> None:
    assert asyncio.run(no_delay_of_an_accepted_connection()) == 1
