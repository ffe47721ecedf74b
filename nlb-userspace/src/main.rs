fn main(){ println!("{}", nlb_userspace::EDGE.len()); }
