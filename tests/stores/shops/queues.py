"""needs:"""

import asyncio
import collections
import heapq
import queue

ORDERS = queue.Queue()
SIMPLE = queue.SimpleQueue()
URGENT = queue.PriorityQueue()
LATEST = collections.deque(maxlen=3)
MAILS = asyncio.Queue()
HEAP = []


def put_in_a_queue():
    """leaks:
    shop.ORDERS.queue
    shop.ORDERS.unfinished_tasks
    """
    ORDERS.put("tea")


def put_in_a_simple_queue():
    """leaks: shop.SIMPLE"""
    SIMPLE.put("tea")


def put_in_a_priority_queue():
    """leaks:
    shop.URGENT.queue
    shop.URGENT.unfinished_tasks
    """
    URGENT.put((1, "tea"))


def append_to_a_deque():
    """leaks: shop.LATEST"""
    LATEST.append("tea")


def put_in_an_asyncio_queue():
    """leaks:
    shop.MAILS._queue
    shop.MAILS._unfinished_tasks
    """
    MAILS.put_nowait("tea")


def push_on_a_heap():
    """leaks: shop.HEAP"""
    heapq.heappush(HEAP, (1, "tea"))


def forget():
    for waiting in (ORDERS, URGENT):
        while not waiting.empty():
            waiting.get()
            waiting.task_done()
    while not SIMPLE.empty():
        SIMPLE.get()
    while not MAILS.empty():
        MAILS.get_nowait()
        MAILS.task_done()
    LATEST.clear()
    HEAP.clear()
