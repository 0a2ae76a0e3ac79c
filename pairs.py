import subprocess,resource,sys,os,statistics
n=int(sys.argv[1]); args=sys.argv[2:]
def cost(w,f,*a):
    b=resource.getrusage(resource.RUSAGE_CHILDREN)
    r=subprocess.run(["/tmp/rq/run.sh",w,f,*a],capture_output=True,text=True); assert r.returncode==0,r.stdout
    e=resource.getrusage(resource.RUSAGE_CHILDREN)
    return e.ru_utime+e.ru_stime-b.ru_utime-b.ru_stime
M,W=os.environ.get("OLD","/root/wt/base"),"/root/wt/requests"
def per(w,k,*a): return (cost(w,f"test_{k}_300.py",*a)-cost(w,f"test_{k}_1.py",*a))/300*1000
rows=[]
for i in range(n):
    p=per(M,"plain"); o=per(M,"checked",*args)-p; w=per(W,"checked",*args)-p
    rows.append((o,w)); print(f"plain {p:.2f} old {o:.2f} new {w:.2f} ratio {w/o:.2f}",flush=True)
print("median old %.2f new %.2f ratio %.2f"%(*(statistics.median(c) for c in zip(*rows)),statistics.median(w/o for o,w in rows)))
